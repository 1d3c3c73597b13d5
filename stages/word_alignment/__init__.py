"""What is known of word alignment below the stage ``align``: the contract, and the statistics."""
