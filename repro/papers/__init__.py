"""The papers on trial: a folder each, with its recipe, scales, nets, counted facts and catalogue."""
