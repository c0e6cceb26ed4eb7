{{ windowed_aggregates(source('flights', 'departures')) }}
