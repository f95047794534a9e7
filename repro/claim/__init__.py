"""Claims as data: what a claim may say, where it says it, and which runs it asks for. Never imports torch."""
