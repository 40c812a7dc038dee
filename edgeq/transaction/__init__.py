"""What a deploy is, on host and device alike: its steps, its policy, its trial, and what is true after an error.

Python 3.9 and the standard library alone. Nothing is imported here: applications load a part of it with the client.
"""
