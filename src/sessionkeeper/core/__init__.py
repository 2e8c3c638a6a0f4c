"""What every layer knows: keys, records, times, errors. Nothing of Django's models, requests or stores."""
