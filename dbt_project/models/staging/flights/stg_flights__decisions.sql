with schedule as (

    select * from {{ source('flights', 'schedule') }}

),

decided as (

    select
        ---- ids
        flight_id,
        carrier,
        origin,
        dest,
        tailnum,

        ---- timestamps
        scheduled_departure - interval 2 hour as event_timestamp,
        scheduled_departure,

        ---- numerics
        distance,
        date_diff('minute', scheduled_departure, scheduled_arrival) as scheduled_minutes,
        local_hour,
        weekday::bigint as weekday,

        partition_day
    from schedule

)

select * from decided
