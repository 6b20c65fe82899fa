"""Who is who: sign-in, passwords, tokens, throttling, protection of requests.

In come requests, out go people and their rights; routes call it.
"""
