"""Photos: found, decoded, packed once into maps, and cropped into batches on a device."""
