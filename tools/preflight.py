"""Say in one line what this machine still needs before mcpkit can be built. Runs on any Python 3."""

import importlib.util
import os
import shutil
import sys
import sysconfig


def missing():
    """Debian packages that are not there yet."""
    packages = []
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        packages.append("python3-venv")
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        packages.append("python3-dev")
    compiler = (os.environ.get("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        packages += ["gcc", "libc6-dev"]
    return packages


def main():
    if sys.version_info < (3, 11):
        sys.exit(
            "mcpkit needs Python 3.11 or later, this is %d.%d: name a newer one with `make PYTHON=python3.x`"
            % sys.version_info[:2]
        )
    packages = missing()
    if packages:
        sys.exit(
            "Missing on this machine. Run:\n\n    apt-get install -y %s\n\nthen the same make again."
            % " ".join(packages)
        )


if __name__ == "__main__":
    main()
