"""The doors to the C core: one extension module per room of ``cext``. Import the room that is needed, none is loaded here."""
