"""Proof that nothing was lost: storage commitment in both directions, and what an archive's answer means."""
