#!/usr/bin/env bash
# Makes .venv and installs this project with the extras named (local, local,dev or local,dev,gpu). A stamp with
# pyproject.toml's hash makes a second run do nothing. What is missing is one line that says what to type.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
extras="$1"

fail() {
    echo "setup: $1" >&2
    exit 1
}

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'
python=""
for candidate in python3.11 python3.12 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$fits"; then
        python="$candidate"
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or 3.12 was not found; type: sudo apt-get install -y python3.11 python3.11-venv"

stamp=".venv/.installed-$(sha256sum pyproject.toml | cut -c1-16)"
# The programs in .venv name the folder that it was made in: in a copy they would run what is installed in the original.
usable() {
    .venv/bin/python -c "$fits" 2>/dev/null &&
        grep -qsF -e "$PWD/.venv/bin/" -e "$(readlink -f .venv)/bin/" .venv/bin/pip
}

# Of two sets of extras the longer begins with the shorter.
if usable && compgen -G "$stamp-$extras*" >/dev/null; then
    exit 0
fi

# From here on .venv is no longer what an earlier stamp says, of another pyproject.toml that may come back.
rm -f .venv/.installed-*
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; type: sudo apt-get install -y $python-venv"
usable || "$python" -m venv --clear .venv

echo "setup: installing the project with [$extras] into .venv (the first time takes minutes) ..."
# torch comes first and alone: of several builds of the pinned version pip takes the one this machine is set up for.
torch="$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
.venv/bin/pip install -qq "$torch" && .venv/bin/pip install -qq -e ".[$extras]" ||
    fail "pip could not install what pyproject.toml pins (see above); is the package index reachable?"
touch "$stamp-$extras"
