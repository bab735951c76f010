"""One page, two deliveries: `report` writes it with its data inside, `ui` serves it live.

queries   SQL on a read-only connection, each statement with a time limit
columns   a run as columns, one row an individual, kept up to date by what is new
answers   what the page asks of a run that is too large to hand over whole
details   one individual: genes, plan, weights, rounds, bytes by role
wire      columns as bytes
assemble  the page, and the report in one file
server, security, acting   the page served
"""
