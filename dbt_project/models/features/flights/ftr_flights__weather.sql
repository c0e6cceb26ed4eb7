with weather as (

    select * from {{ source('flights', 'weather') }}
    where {{ in_window('partition_day') }}

),

observed as (

    select
        origin,
        observed_at as event_timestamp,
        known_at as created_timestamp,
        partition_day,
        temp,
        dewp,
        humid,
        -- One sensor error in the file reads 1,048 miles per hour.
        case when wind_speed <= 150 then wind_speed end as wind_speed,
        wind_gust,
        precip,
        pressure,
        visib
    from weather

)

select * from observed
