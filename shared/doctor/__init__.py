"""The doctor: whether a tenant is set up right, told before it matters. It only reads, and makes nothing: no table, no queue.

`findings` has what it may find, `configuration`, `permissions` and `registration` judge what was read, `ports` says what must be
read beyond the app's own ports, `examination` reads it.
"""
