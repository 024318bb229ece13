"""The doors to the C core: one extension module per room of ``cext``. None is loaded here."""
