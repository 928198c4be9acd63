"""The playbook: candidates by rules alone, free and deterministic.

In: the evidence about one cluster. Out: candidates of the evidence's level: sections of rules for a prompt
(techniques), moves of a parameter, operators on a function. Open `playbook.py` first, then
`prompt_techniques.py`.
"""
