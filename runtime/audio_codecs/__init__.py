"""Every audio encoding of the protocol -> 16 kHz mono PCM16, chunk by chunk."""
