"""``python -m mcpkit.cli``."""

import sys

from mcpkit.cli import main

sys.exit(main())
