"""What several tests need that is no double of anything."""
