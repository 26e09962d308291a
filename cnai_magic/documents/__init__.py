"""Conversations in files: the outputs of a notebook, and documents that are exported and imported.

`output` is an answer as a notebook output, written and read back; `restore` rebuilds conversations from
them; `notebook` finds, reads and writes notebook files, `transcript` Markdown, `messages` JSON; `imported`
checks what others wrote, and `files` reads and writes safely.
"""

__all__: list[str] = []
