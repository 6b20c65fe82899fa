"""What all tests need: that Ctrl-C reaches the processes they start.

A shell starts what it puts in the background deaf to SIGINT, and children inherit that; tests of
interruption send it.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
