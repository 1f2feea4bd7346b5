"""A simulated scanner and exam with known truth, and a stand-in PACS."""
