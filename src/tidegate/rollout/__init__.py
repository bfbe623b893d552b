"""What should be (the store) becomes what is (processes, routing), one safe step at a time.

state.db --desired--> reconcile.py (pure) --Plan--> supervisor;  --RoutingTable--> gateways
                          ^ processes.json

reconcile.py    desired + observed + current -> plan and routing table; no clock, no files
controller.py   the process: observe, judge, write, again
"""
