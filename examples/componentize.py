"""Make a component of a core WebAssembly module and its WIT file.

python examples/componentize.py MODULE.wasm WORLD.wit -o COMPONENT.wasm
"""

import argparse
import sys
from pathlib import Path

from toolchain.component import ComponentError, componentize
from toolchain.wit import WitError, parse


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a component of a core WebAssembly module and its WIT file.")
    parser.add_argument("module", type=Path, help="core module; its exports are named as the canonical ABI says")
    parser.add_argument("wit", type=Path, help="the package with one world")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        package = parse(arguments.wit.read_text(encoding="utf-8"))
        arguments.output.write_bytes(componentize(arguments.module.read_bytes(), package))
    except WitError as error:
        print(f"{arguments.wit}: {error}", file=sys.stderr)
        return 1
    except (ComponentError, OSError) as error:
        print(f"{arguments.module}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
