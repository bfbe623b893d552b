"""Who goes where: a unit and a split in, an arm out. Pure; the gateway asks it for each request.

unit --hash with the split's salt--> a point on [0, 100) --> the arm that it lies in
"""
