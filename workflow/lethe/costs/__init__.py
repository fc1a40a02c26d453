"""What a preset will cost before it is run: FLOPs, hours on a card, memory, disk. The model is told in docs/cost.md."""
