"""Other programs' configuration files: where they are, what they hold, and how one entry of them is changed."""
