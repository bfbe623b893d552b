"""Who may do what.

Authorization: Bearer tg_<id>_<random> --keys.verify--> KeyEntry --keys.allows--> yes, or Unauthenticated / Forbidden

keys.py     make a key, check a secret, the rights of each role
policy.py   when keys are required at all
"""
