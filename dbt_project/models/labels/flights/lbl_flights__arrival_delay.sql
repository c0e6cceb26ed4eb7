with arrivals as (

    select * from {{ source('flights', 'arrivals') }}
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
        arrivals.landed_at as created_timestamp,
        arrivals.partition_day,
        decisions.distance,
        decisions.scheduled_minutes,
        decisions.local_hour,
        decisions.weekday,
        arrivals.arrival_delay as arrival_delay_minutes,
        (arrivals.arrival_delay > 15)::integer as is_late
    from arrivals
    inner join decisions using (flight_id)

)

select * from labelled
