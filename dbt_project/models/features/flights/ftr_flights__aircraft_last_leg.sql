with arrivals as (

    select * from {{ source('flights', 'arrivals') }}
    where {{ in_window('partition_day') }} and tailnum is not null

),

legs as (

    select
        tailnum,
        landed_at as event_timestamp,
        landed_at as created_timestamp,
        partition_day,
        arrival_delay,
        departure_delay,
        air_time,
        dest
    from arrivals
    -- Two records of one aircraft landing in the same minute: keep the later departure.
    qualify row_number() over (
        partition by tailnum, landed_at order by departed_at desc, flight_id
    ) = 1

)

select * from legs
