"""Programs under exec: what they may have, how long they live, and who is inside of them."""
