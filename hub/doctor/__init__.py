"""What is wrong with a hub, before it is started or while it runs: checks side by side, a line each.

    finding.py   a line: what was looked at, ok, warning or failed, what was found and the remedy
    round.py     all checks at once, each given up where it does not answer in time
    bus.py  store.py  machine.py   the checks of each part; those of the sources are in connectors/

Every check only looks: none writes to a source, a bus or a store, or joins a group.
"""
