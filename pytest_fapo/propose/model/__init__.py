"""A language model as proposer (`openai:`, `anthropic:`): evidence as text in, whole new texts out.

In: the evidence and the prompts in `propose/prompts`. Out: candidates made from the model's structured
answer, or `ProposalFailed`. Open `model_proposer.py` first; `evidence_text.py` serves the coding agent too.
"""
