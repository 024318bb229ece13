"""Build the example tools into examples/build/. What has not changed is not built again.

python examples/build.py            # the tools that examples/config.yaml serves
python examples/build.py --all      # and the others
python examples/build.py primes     # one by name
"""

import argparse
import sys
import time

from toolchain.component import ComponentError
from toolchain.tools import EXAMPLES, TOOLS, build
from toolchain.wit import WitError
from toolchain.zig import BuildError


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the example tools into examples/build/.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which ones ({', '.join(TOOLS)}); default: the fast ones"
    )
    parser.add_argument("--all", action="store_true", help="every example")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(TOOLS))
    if unknown:
        parser.error(f"no example is called {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    names = arguments.names or [tool.name for tool in TOOLS.values() if tool.default or arguments.all]
    for name in names:
        print(f"{name:<12}", end=" ", flush=True)
        start = time.monotonic()
        try:
            path = build(name)
        except (BuildError, ComponentError, WitError) as error:
            print("failed")
            print(f"examples/{name}: {error}", file=sys.stderr)
            return 1
        print(
            f"{path.stat().st_size:>11,} bytes  {time.monotonic() - start:5.1f} s  {path.relative_to(EXAMPLES.parent)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
