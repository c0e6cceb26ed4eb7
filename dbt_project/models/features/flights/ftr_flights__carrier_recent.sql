{{ windowed_aggregates(source('flights', 'arrivals')) }}
