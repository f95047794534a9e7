"""What pages are made of: drawings, curves, pictures, parts. Nothing is measured here."""
