with departures as (

    select * from {{ source('flights', 'departures') }}
    where {{ in_window('partition_day') }}

),

decisions as (

    select * from {{ ref('stg_flights__decisions') }}

),

labelled as (

    select
        decisions.flight_id,
        decisions.carrier,
        decisions.origin,
        decisions.dest,
        decisions.tailnum,
        decisions.event_timestamp,
        departures.departed_at as created_timestamp,
        departures.partition_day,
        decisions.distance,
        decisions.scheduled_minutes,
        decisions.local_hour,
        decisions.weekday,
        departures.departure_delay as departure_delay_minutes
    from departures
    inner join decisions using (flight_id)

)

select * from labelled
