"""Requests over HTTP: ours, the stock toolkit and a server that does nothing, side by side.

`lines` is the table of what is measured. Of each line a short sample counts statements and reads
every answer; then `wrk` loads the server, the lines in turns, and the medians are told.
"""
