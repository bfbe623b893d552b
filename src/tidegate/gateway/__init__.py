"""The doors that callers use, and the one path behind them.

    http.py, grpc/  --Call(bytes)-->  data_plane.py  --frame-->  link.py  -->  runner
                                          |  <--reply--            |
                                     record.py (line) --> journal, then --Answer--> the door

The doors translate a protocol's form and nothing else; data_plane knows no transport. Bodies are passed on as they came: the runner
decodes them. An answer leaves only after its line is in the journal (or the endpoint's onLogFailure says otherwise).

    server.py    HTTP/1.1 itself: connections, limits, time-outs (llhttp parses)
    __main__.py  one worker process: wires the parts, watches run/routing.json, writes run/counters-SLOT.json
    table.py     the routing table, prepared for look-ups
    policy.py    keep, hash or drop fields before they reach the journal
"""
