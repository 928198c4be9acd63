"""Candidates: from the evidence about one cluster of failures to patches that may fix it.

In: `Evidence` (cluster, train cases with traces, artifacts, memory of earlier attempts). Out: `Candidate`
records, given lazily and best first. Every proposer implements `proposer.Proposer`: the playbook (rules,
free and deterministic), a model (`model/`), GEPA (`gepa/`) and a coding agent (`agent/`). Open
`proposer.py` first.
"""
