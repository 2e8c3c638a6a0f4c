#!/bin/sh
# Print the path of a Python that can run this project, or one sentence on stderr.
#
# A name on PATH proves nothing (pyenv's shims exit 127 for versions that are not selected), so every
# candidate is executed. PYTHON=/path/to/python overrules the search. First choice is a version that the
# suite is run on (3.11 to 3.13), then anything from 3.11 on.

probe() { # probe PYTHON CONDITION: print the real path of PYTHON when it runs and CONDITION holds
    [ -n "$1" ] || return 1
    "$1" -c "import sys; v = sys.version_info[:2]; sys.exit(0 if ($2) else 1)" >/dev/null 2>&1 || return 1
    "$1" -c "import sys; print(sys.executable)"
}

candidates() {
    echo python3
    for minor in 13 12 11 14 15; do echo "python3.$minor"; done
    for folder in "${PYENV_ROOT:-$HOME/.pyenv}/versions" "$HOME/.local/share/uv/python"; do
        for path in "$folder"/*/bin/python3; do [ -x "$path" ] && echo "$path"; done
    done
    for path in /usr/bin/python3.1? /usr/local/bin/python3.1? /opt/homebrew/bin/python3.1?; do
        [ -x "$path" ] && echo "$path"
    done
    echo python
}

if [ -n "${PYTHON:-}" ]; then
    probe "$PYTHON" "v >= (3, 11)" && exit 0
    echo "PYTHON=$PYTHON is not a working Python 3.11 or newer: point PYTHON at one, or leave it unset." >&2
    exit 1
fi

probe .venv/bin/python "v >= (3, 11)" && exit 0

# `import ensurepip`: Debian's python3 without python3-venv cannot make an environment.
for condition in "(3, 11) <= v <= (3, 13) and __import__('ensurepip')" "v >= (3, 11) and __import__('ensurepip')" "v >= (3, 11)"; do
    list=$(candidates)
    IFS='
'
    for candidate in $list; do probe "$candidate" "$condition" && exit 0; done
done

found=$(python3 --version 2>/dev/null || echo "no python3")
echo "Python 3.11 or newer is needed and none was found ($found on PATH): install one from your package manager or python.org, or run make with PYTHON=/path/to/python3.13." >&2
exit 1
