"""The ids of all system checks, as listed in ``docs/reference/checks.md``.

The letter is the level: an Error breaks sign-in, a Warning weakens or slows it, an Info is good to know. An
id never changes its meaning, and the id of a removed check is not used again.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class CheckId(StrEnum):
    """The id of a check. Two checks never share an id, so that each can be silenced alone."""

    WRONG_SETTING = "sessionkeeper.E001"
    NOT_INSTALLED = "sessionkeeper.E002"
    NO_ENGINE = "sessionkeeper.E003"
    AUTHENTICATION_BEFORE_SESSION = "sessionkeeper.E004"
    CSRF_BEFORE_SESSION = "sessionkeeper.E005"
    MIDDLEWARE_WITHOUT_ENGINE = "sessionkeeper.E006"
    PREFIX_BROKEN = "sessionkeeper.E007"
    SERIALIZER_FAILS = "sessionkeeper.E008"
    COOKIE_AGE = "sessionkeeper.E009"
    STORE_UNKNOWN = "sessionkeeper.E010"
    CHANNEL_UNKNOWN = "sessionkeeper.E011"
    NO_REDIS_PACKAGE = "sessionkeeper.E012"
    SERVER_TOO_OLD = "sessionkeeper.E013"
    SERVER_EVICTS = "sessionkeeper.E014"
    SECOND_FACTOR_MISSING = "sessionkeeper.E015"
    ASKED_IN_VAIN = "sessionkeeper.E016"
    PARTITIONED_REFUSED = "sessionkeeper.E017"
    DOMAIN_WITH_PREFIX = "sessionkeeper.E018"
    ADOPT_IMPOSSIBLE = "sessionkeeper.E019"
    ADOPT_MISSING = "sessionkeeper.E020"
    ADOPT_WITHOUT_TABLE = "sessionkeeper.E021"
    DOMAIN_ASKED_IN_VAIN = "sessionkeeper.E022"
    NAMESPACE_ASKED_IN_VAIN = "sessionkeeper.E080"
    NAMESPACE_SHARED = "sessionkeeper.E081"
    STORE_OF_ANOTHER_SITE = "sessionkeeper.E082"

    NO_SESSION_MIDDLEWARE = "sessionkeeper.W003"
    NO_AUTHENTICATION_MIDDLEWARE = "sessionkeeper.W004"
    NO_CSRF_MIDDLEWARE = "sessionkeeper.W005"
    CACHE_INSIDE_SESSION = "sessionkeeper.W006"
    MIXED_MIDDLEWARE = "sessionkeeper.W007"
    FETCH_METADATA_TOO_LATE = "sessionkeeper.W008"
    PERHAPS_NO_SESSION_BEFORE = "sessionkeeper.W009"
    IDLE_LONGER_THAN_ABSOLUTE = "sessionkeeper.W010"
    COOKIE_AGE_LONGER_THAN_ABSOLUTE = "sessionkeeper.W011"
    TOUCH_TOO_LATE = "sessionkeeper.W012"
    SERIALIZER_NOT_JSON = "sessionkeeper.W013"
    RENEWAL_IDLE = "sessionkeeper.W014"
    RENEWAL_TOO_OFTEN = "sessionkeeper.W015"
    PROXIES_NOT_NAMED = "sessionkeeper.W016"
    CONNECTIONS_NOT_KEPT = "sessionkeeper.W020"
    NEAR_CACHE_WITHOUT_CHANNEL = "sessionkeeper.W021"
    NEAR_CACHE_UNASKED = "sessionkeeper.W022"
    SERVER_SILENT = "sessionkeeper.W023"
    SERVER_FORGETS = "sessionkeeper.W024"
    PRINCIPAL_CACHE_IDLE = "sessionkeeper.W025"
    COOKIE_NOT_SECURE = "sessionkeeper.W030"
    COOKIE_READABLE = "sessionkeeper.W031"
    COOKIE_SENT_ACROSS_SITES = "sessionkeeper.W032"
    COOKIE_WITHOUT_PREFIX = "sessionkeeper.W033"
    CSRF_COOKIE_NOT_SECURE = "sessionkeeper.W034"
    HTTP_NOT_REDIRECTED = "sessionkeeper.W035"
    NO_HSTS = "sessionkeeper.W036"
    VIEW_WITHOUT_CSRF = "sessionkeeper.W040"
    AUTHENTICATOR_WITHOUT_CSRF = "sessionkeeper.W041"
    CROSS_SITE_VIEW_MISSING = "sessionkeeper.W042"
    LOGIN_URL_NOWHERE = "sessionkeeper.W043"
    DRF_SESSION = "sessionkeeper.W050"
    DRF_BASIC = "sessionkeeper.W051"
    DRF_TOKENS_ONLY = "sessionkeeper.W052"
    TOKENS_NOT_TAKEN = "sessionkeeper.W053"
    FORGOTTEN_LOGIN = "sessionkeeper.W060"
    GUESSES_NOT_COUNTED = "sessionkeeper.W070"
    FAST_HASHER = "sessionkeeper.W071"
    ARGON2_UNUSED = "sessionkeeper.W072"
    NO_VALIDATORS = "sessionkeeper.W073"
    PERHAPS_TENANTS = "sessionkeeper.W080"
    TENANT_TOO_LATE = "sessionkeeper.W081"
    QUERIES_CACHED = "sessionkeeper.W085"
    CHECK_FAILED = "sessionkeeper.W099"

    DRF_TOKENS_FIRST = "sessionkeeper.I001"
    SECOND_FACTOR_ASKED = "sessionkeeper.I002"
    ENGINE_NOT_OURS = "sessionkeeper.I003"
    KEYS_COME_LOOSE = "sessionkeeper.I004"
    LOGIN_URL_ELSEWHERE = "sessionkeeper.I005"


#: Ids of removed checks.
RETIRED = frozenset({"sessionkeeper.W001", "sessionkeeper.W002"})
