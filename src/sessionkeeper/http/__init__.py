"""What travels over HTTP: cookies, tokens, addresses, headers, problem details."""
