"""Serving, measured. One idea a script; each writes results/NAME.json, and report.py turns them all into RESULTS.md.

environments.py   a Python environment a peer, under .peers/
model.py          one logistic regression for all, and the bodies to send
systems.py        who takes part, and how each is started ------> servers/   what a user of that peer would write
processes.py      start, find, weigh (CPU, memory) and end       wrk.py     the load: as fast as it goes
rounds.py         visit the systems in turn, round after round   paced.py   the load: at a fixed rate

compare.py        (`make bench`) beside the peers: throughput, latency, the bars
alone.py          one Tidegate by itself, its processes by name
grow.py           cost a request as connections and payloads grow
slo.py            1,000 requests a second for minutes
footprint.py      memory at rest, time from start to ready
spent.py          microseconds a request a process, and where they go (py-spy)
change.py         how soon a new split is in force, and whether a request fails meanwhile
shadow.py         what a shadow on all of the traffic costs the callers
switch.py         a blue-green switch under 1,000 requests a second, there and back
"""
