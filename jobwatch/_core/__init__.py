"""What happened and when to look next: values in, values out; no clock, no dice, no I/O."""
