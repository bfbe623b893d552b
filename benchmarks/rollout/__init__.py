"""How often the rules are wrong, and how soon they are right: many simulated rollouts at once.

traffic.py (what arrives) --> engine.py (stats/, for many runs at once) --+
                          --> rules.py (what others would configure) -----+--> studies.py --> results/*.json --> RESULTS.md
"""
