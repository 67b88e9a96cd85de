"""Access lists: what each process of the hub may do on Kafka, and nothing beyond it.

rights.py    what each process touches      plan.py    who may do it, as entries and commands
entry.py     one line of an access list     compare.py    the plan beside a running broker
"""
