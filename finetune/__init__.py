"""Fine-tuning: dataset -> bundle."""
