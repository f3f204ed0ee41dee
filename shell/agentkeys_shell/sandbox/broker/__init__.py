"""A development broker: the wire contract of the real one, with made-up people and no guard.

It keeps everything but its audit rows in memory, and makes new keys at each start: sessions, links
and pending logins end with the process. Anybody on this machine may log in to it as anybody, which
is what it is for; it listens on 127.0.0.1 alone.
"""
