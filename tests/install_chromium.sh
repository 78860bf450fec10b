#!/bin/sh
# Put a Chromium where the browser tests look for it; without one they skip and say so loudly.
if command -v chromium >/dev/null 2>&1 || [ -n "${CHROMIUM:-}" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests ..."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 \
        || echo "!! Chromium could not be installed: the browser tests will be SKIPPED."
else
    echo "!! No Chromium and no right to install one: the browser tests will be SKIPPED (set CHROMIUM=/path/to/chromium)."
fi
