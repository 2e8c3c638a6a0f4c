-- The store's operations on one session, each in one atomic step. Arguments:
--   KEYS  the session; on a single server also its indexes: bucket, list of buckets, [user]
--   ARGV  operation, the time in microseconds or '' for the server's own, then the operation's own arguments
-- An operation such as "revoke sk:near:0" publishes the session that it changed on that channel.
-- Writes return {code, user}, insert and merge {code, the session's fields}. Codes: 1 done, 0 gone (insert: id
-- taken), -1 stale, -2 corrupt, -3 too late, -4 the user's index has changed since it was read.

local SECOND = 1000000
local KEPT = 3600000           -- ms that a hash outlives its session, so that its end can be recorded
local LATE = 30 * SECOND       -- longest time from writing the index to writing the session
local LONGEST = 9007199254740991
local SAMPLE = 16             -- entries of a user's index that a sign-in checks
local PART = 1000              -- entries of an index that are read at once

local operation, channel = string.match(ARGV[1], '^(%S+) ?(.*)$')
local key = KEYS[1]
local now
if ARGV[2] ~= '' then
  now = tonumber(ARGV[2])
else
  local time = redis.call('TIME')
  now = time[1] * SECOND + time[2]
end

local function text(number)
  return string.format('%.0f', number)
end

local function whole(value)
  return value and string.match(value, '^%-?%d+$') and tonumber(value)
end

-- '+5' is five microseconds from now; without a plus sign it is a time.
local function moment(lifetime)
  if string.sub(lifetime, 1, 1) == '+' then
    return text(now + tonumber(string.sub(lifetime, 2)))
  end
  return lifetime
end

local function remaining(ends)
  return text(math.min(math.max(0, math.ceil((ends - now) / 1000)) + KEPT, LONGEST))
end

-- Checks the secret of a write: returns the fields, or nil and a code.
local function proven(secret)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil, 0 end
  if kind ~= 'hash' then return nil, -2 end
  local f = redis.call('HMGET', key, 'secret', 'previous', 'previous_at', 'user', 'expires', 'seen', 'idle', 'version')
  if not (f[1] and whole(f[5]) and whole(f[6]) and whole(f[8])) or (f[7] and not whole(f[7])) then
    return nil, -2
  end
  if f[1] ~= secret and f[2] ~= secret then return nil, -1, f end
  return f
end

local function used()
  redis.call('HSET', key, 'seen', text(now))
end

-- Lets the hash expire a while after the earlier of its timeouts.
local function live_on()
  local f = redis.call('HMGET', key, 'expires', 'seen', 'idle')
  local ends = tonumber(f[1])
  if f[3] then ends = math.min(ends, tonumber(f[2]) + tonumber(f[3]) * SECOND) end
  redis.call('PEXPIRE', key, remaining(ends))
end

local function listed(index, member, score, ends)
  redis.call('ZADD', index, score, member)
  local life = remaining(ends)
  if redis.call('PTTL', index) < tonumber(life) then redis.call('PEXPIRE', index, life) end
end

local function fingerprint(entries)
  return redis.sha1hex(table.concat(entries, ' '))
end

local function is_as_read(index, expected)
  return expected == '' or fingerprint(redis.call('ZRANGE', index, 0, -1, 'WITHSCORES')) == expected
end

-- ARGV from `at`: the session's name, its score in the bucket, the bucket's number, the fingerprint of the user's
-- index or ''. On a single server, the indexes are written with the session.
local function indexed(at, ends)
  if not KEYS[2] then return true end
  if KEYS[4] and not is_as_read(KEYS[4], ARGV[at + 3]) then return false end
  listed(KEYS[2], ARGV[at], ARGV[at + 1], ends)
  redis.call('ZADD', KEYS[3], ARGV[at + 2], ARGV[at + 2])
  if KEYS[4] then listed(KEYS[4], ARGV[at], text(now), ends) end
  return true
end

-- Drops entries of a user's index whose sessions have expired, or belong to another user. It checks a random
-- sample: a sign-in adds one entry and checks many, so stale ones stay few. Not in a Cluster, where the sessions
-- are on other servers.
local function pruned(index)
  local user = redis.call('HGET', key, 'user')
  if not user or string.sub(index, -#user - 2) ~= '{' .. user .. '}' then return end
  local base = string.match(key, '^(.*){')
  for _, name in ipairs(redis.call('ZRANDMEMBER', index, SAMPLE)) do
    if redis.pcall('HGET', base .. '{' .. name .. '}', 'user') ~= user then redis.call('ZREM', index, name) end
  end
end

local function is_late(indexed_at)
  return indexed_at ~= '' and now - tonumber(indexed_at) > LATE
end

local function set_fields(at)
  for i = at, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
end

local run = {}

function run.find()
  return {text(now), redis.call('HGETALL', key)}
end

-- lifetime, '1' if authenticated, time of indexing or '', four for the indexes, secret, then fields and values
function run.insert()
  local secret, ends = ARGV[10], moment(ARGV[3])
  if redis.call('EXISTS', key) == 1 then
    -- A first attempt of the same insert, whose answer was lost, is no collision.
    if redis.call('TYPE', key).ok ~= 'hash' then return {0} end
    local f = redis.call('HMGET', key, 'secret', 'version')
    if f[1] == secret and f[2] == '0' then return {1, redis.call('HGETALL', key)} end
    return {0}
  end
  if is_late(ARGV[5]) then return {-3} end
  if not indexed(6, tonumber(ends)) then return {-4} end
  redis.call('HSET', key, 'secret', secret, 'created', text(now), 'seen', text(now), 'expires', ends, 'version', '0')
  if ARGV[4] == '1' then redis.call('HSET', key, 'authenticated', text(now)) end
  set_fields(11)
  live_on()
  if KEYS[4] then pruned(KEYS[4]) end
  return {1, redis.call('HGETALL', key)}
end

-- as insert, then '1' to replace all data, number of fields to delete, those fields, then fields and values
function run.merge()
  local f, code = proven(ARGV[10])
  if not f then return {code} end
  if is_late(ARGV[5]) then return {-3} end
  local ends = ARGV[3] == '' and f[5] or moment(ARGV[3])
  if not indexed(6, tonumber(ends)) then return {-4} end
  if ARGV[11] == '1' then
    for _, name in ipairs(redis.call('HKEYS', key)) do
      if string.sub(name, 1, 2) == 'd:' then redis.call('HDEL', key, name) end
    end
  end
  local dropped = tonumber(ARGV[12])
  for i = 13, 12 + dropped do redis.call('HDEL', key, ARGV[i]) end
  set_fields(13 + dropped)
  redis.call('HSET', key, 'expires', ends)
  if ARGV[4] == '1' then redis.call('HSET', key, 'authenticated', text(now)) end
  used()
  redis.call('HINCRBY', key, 'version', 1)
  live_on()
  if KEYS[4] then pruned(KEYS[4]) end
  return {1, redis.call('HGETALL', key)}
end

-- secret, new secret, new family
function run.rotate()
  local f, code, stale = proven(ARGV[3])
  if not f then
    local done = stale and stale[1] == ARGV[4] and redis.call('HGET', key, 'family') == ARGV[5]
    return {done and 1 or code}
  end
  redis.call('HSET', key, 'secret', ARGV[4], 'family', ARGV[5])
  redis.call('HDEL', key, 'previous', 'previous_at')
  used()
  redis.call('HINCRBY', key, 'version', 1)
  live_on()
  return {1, f[4]}
end

-- secret, new secret, family
function run.renew()
  local f, code = proven(ARGV[3])
  if not f then return {code} end
  local again = f[1] == ARGV[4] and f[2] == ARGV[3] and not f[3]
  if f[1] ~= ARGV[3] and not again then return {-1} end
  redis.call('HSET', key, 'secret', ARGV[4], 'previous', ARGV[3], 'family', ARGV[5])
  redis.call('HDEL', key, 'previous_at')
  used()
  redis.call('HINCRBY', key, 'version', 1)
  live_on()
  return {1, f[4]}
end

-- secret
function run.touch()
  local f, code = proven(ARGV[3])
  if not f then return {code} end
  if f[1] == ARGV[3] and f[2] and not f[3] then redis.call('HSET', key, 'previous_at', text(now)) end
  used()
  live_on()
  return {1, f[4], f[5]}
end

-- The principal cache: the number of invalidations when the user was read, and the text to cache
function run.remember()
  if redis.call('TYPE', key).ok ~= 'hash' then return {0} end
  if (redis.call('HGET', key, 'dropped') or '0') ~= ARGV[3] then return {-1} end
  redis.call('HSET', key, 'principal', ARGV[4])
  return {1}
end

function run.forget()
  if redis.call('TYPE', key).ok ~= 'hash' then return {0} end
  redis.call('HDEL', key, 'principal')
  redis.call('HINCRBY', key, 'dropped', 1)
  return {1}
end

-- secret or '' for any caller, user or '' for any user, '1' in a retry after a lost answer, which may have ended
-- the session; also returns when it would have expired
function run.revoke()
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return {ARGV[5] == '1' and 1 or 0} end
  if kind ~= 'hash' then
    if ARGV[3] ~= '' or ARGV[4] ~= '' then return {0} end
    return {redis.call('DEL', key)}
  end
  local f = redis.call('HMGET', key, 'secret', 'previous', 'user', 'expires')
  if ARGV[3] ~= '' and f[1] ~= ARGV[3] and f[2] ~= ARGV[3] then return {0, f[3]} end
  if ARGV[4] ~= '' and f[3] ~= ARGV[4] then return {0, f[3]} end
  return {redis.call('DEL', key), f[3], whole(f[4]) and f[4] or text(now)}
end

-- Removes an expired session, for a purge; {0} alone where there is none
function run.expire()
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'hash' then return {0} end
  local f = redis.call('HMGET', key, 'expires', 'seen', 'idle', 'user')
  local ends, seen, idle = whole(f[1]), whole(f[2]), whole(f[3])
  if not (ends and seen) then return {0, ''} end
  if idle then ends = math.min(ends, seen + idle * SECOND) end
  if ends > now then return {0, ''} end
  return {redis.call('DEL', key), f[4], text(ends)}
end

-- Writes an entry in a Cluster: name of the session, score or '' for now, lifetime, fingerprint or ''
function run.index()
  if not is_as_read(key, ARGV[6]) then return {-4} end
  listed(key, ARGV[3], ARGV[4] == '' and text(now) or ARGV[4], tonumber(moment(ARGV[5])))
  return {1, text(now)}
end

-- All entries of an index, and their fingerprint; {0} if there are more than the given number
function run.entries()
  if redis.call('ZCARD', key) > tonumber(ARGV[3]) then return {0} end
  local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  return {text(now), fingerprint(entries), entries}
end

-- Some entries of an index, from a cursor on: the next cursor (0 at the end), and the entries
function run.part()
  local found = redis.call('ZSCAN', key, ARGV[3], 'COUNT', PART)
  return {text(now), found[1], found[2]}
end

-- Publishes: channel, message
function run.tell()
  return {redis.call('PUBLISH', ARGV[3], ARGV[4])}
end

function run.time()
  return text(now)
end

-- Drops entries of an index that have not changed: pairs of name and score
function run.drop()
  for i = 3, #ARGV, 2 do
    local score = redis.call('ZSCORE', key, ARGV[i])
    if score and (ARGV[i + 1] == '' or tonumber(score) == tonumber(ARGV[i + 1])) then
      redis.call('ZREM', key, ARGV[i])
    end
  end
  return {1}
end

local answer = run[operation]()
if channel ~= '' and answer[1] == 1 then
  redis.call('PUBLISH', channel, string.match(key, '{([^{}]*)}$'))
end
return answer
