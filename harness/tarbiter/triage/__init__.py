"""Making a finding small and clear."""
