"""``python -m mcpkit``."""

import sys

from mcpkit.cli import main

sys.exit(main())
