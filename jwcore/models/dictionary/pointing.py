"""Keywords of dithers, times, mechanisms, guide stars, ephemeris, attitude and WCS.

The columns are explained in `jwcore.models.keywords`.
"""

_DITHERS = """
# PRIMARY Dither
PATTTYPE  dither.primary_type                s          ; dither pattern
PRIDTYPE  dither.primary_dither_type         s          ; primary dither pattern
PRIDTPTS  dither.primary_points              i          ; points of the primary pattern
PATT_NUM  dither.position_number             i          ; position in the pattern, 1-based
PATTSTRT  dither.pattern_start               i          ; first point of the pattern
NUMDTHPT  dither.total_points                i          ; points of the whole pattern
PATTNPTS  dither.total_cycling_points        i          ; points of the cycling pattern
NRIMDTPT  dither.dither_points               i          ; points of the imaging pattern
NOD_TYPE  dither.nod_type                    s  @NOD_TYPE ; nod pattern
PATTSIZE  dither.pattern_size                s          ; size of the pattern
SMGRDPAT  dither.small_grid_pattern          s          ; small grid pattern
SUBPXPTS  dither.subpixel_total_points       i          ; points of the subpixel pattern
SUBPXPAT  dither.subpixel_pattern            s          ; subpixel pattern
SPEC_NUM  dither.spectral_position_number    i          ; position along the dispersion
SPECNSTP  dither.spectral_total_points       i          ; positions along the dispersion
SPECSTEP  dither.spectral_step_size          f          ; step along the dispersion
SPCOFFST  dither.spectral_offset             f          ; offset along the dispersion
SPAT_NUM  dither.spatial_position_number     i          ; position along the slit
SPATNSTP  dither.spatial_total_points        i          ; positions along the slit
SPATSTEP  dither.spatial_step_size           f          ; step along the slit
SPTOFFST  dither.spatial_offset              f          ; offset along the slit
XOFFSET   dither.x_offset                    f          ; [arcsec] offset in the ideal frame, x
YOFFSET   dither.y_offset                    f          ; [arcsec] offset in the ideal frame, y
DSETSTRT  dither.starting_set                i  -       ; first dither set
NUMDSETS  dither.number_of_sets              i  -       ; number of dither sets
DITHDIRC  dither.direction                   s  - @DITHDIRC ; direction of the dither
DITHOPFR  dither.optimized_for               s  - @DITHOPFR ; kind of source the dither is made for
DITHPNTS  dither.sparse_points               s  -       ; points of a sparse dither
MRSPRCHN  dither.primary_channel             s  - @MRSPRCHN ; MRS channel the dither is made for
DITH_RA   dither.dithered_ra                 f  -       ; [deg] dithered target position, RA
DITH_DEC  dither.dithered_dec                f  -       ; [deg] dithered target position, Dec

# PRIMARY Aperture and velocity aberration
APERNAME  aperture.name                      s          ; SIAF aperture
PPS_APER  aperture.pps_name                  s          ; aperture asked for
VA_RA     velocity_aberration.va_ra_ref      f          ; [deg] aberrated reference position, RA
VA_DEC    velocity_aberration.va_dec_ref     f          ; [deg] aberrated reference position, Dec

# PRIMARY Barycentric and heliocentric times
BARTDELT  time.barycentric_correction        f          ; [s] barycentric correction
BSTRTIME  time.barycentric_expstart          f          ; [d] barycentric start, MJD
BENDTIME  time.barycentric_expend            f          ; [d] barycentric end, MJD
BMIDTIME  time.barycentric_expmid            f          ; [d] barycentric middle, MJD
HELIDELT  time.heliocentric_correction       f          ; [s] heliocentric correction
HSTRTIME  time.heliocentric_expstart         f          ; [d] heliocentric start, MJD
HENDTIME  time.heliocentric_expend           f          ; [d] heliocentric end, MJD
HMIDTIME  time.heliocentric_expmid           f          ; [d] heliocentric middle, MJD

# PRIMARY Focus mechanisms
FAM_LA1   nircam_focus.fam_la1               i          ; linear actuator 1
FASTEP1   nircam_focus.fastep1               i          ; actuator 1: step
FAUNIT1   nircam_focus.faunit1               f          ; actuator 1: unit
FAPHASE1  nircam_focus.faphase1              s          ; actuator 1: phase
FA1VALUE  nircam_focus.fa1value              i          ; actuator 1: value
FAM_LA2   nircam_focus.fam_la2               i          ; linear actuator 2
FASTEP2   nircam_focus.fastep2               i          ; actuator 2: step
FAUNIT2   nircam_focus.faunit2               f          ; actuator 2: unit
FAPHASE2  nircam_focus.faphase2              s          ; actuator 2: phase
FA2VALUE  nircam_focus.fa2value              i          ; actuator 2: value
FAM_LA3   nircam_focus.fam_la3               i          ; linear actuator 3
FASTEP3   nircam_focus.fastep3               i          ; actuator 3: step
FAUNIT3   nircam_focus.faunit3               f          ; actuator 3: unit
FAPHASE3  nircam_focus.faphase3              s          ; actuator 3: phase
FA3VALUE  nircam_focus.fa3value              i          ; actuator 3: value
RMA_POS   nirspec_wfsc.rma_pos               i          ; refocus mechanism position
FCSRLPOS  nirspec_wfsc.rma_step              i          ; refocus mechanism step

# PRIMARY Guide star
GS_ORDER  guidestar.gs_order                 i          ; place in the list of guide stars
GSSTRTTM  guidestar.gs_start_time            s          ; UTC start of the guide star activity
GSENDTIM  guidestar.gs_stop_time             s          ; UTC end of the guide star activity
GDSTARID  guidestar.gs_id                    s          ; guide star
GS_RA     guidestar.gs_ra                    f          ; [deg] guide star, RA
GS_DEC    guidestar.gs_dec                   f          ; [deg] guide star, Dec
GS_URA    guidestar.gs_ura                   f          ; [arcsec] uncertainty of GS_RA
GS_UDEC   guidestar.gs_udec                  f          ; [arcsec] uncertainty of GS_DEC
GS_MAG    guidestar.gs_mag                   f          ; [mag] guide star, guider band
GS_UMAG   guidestar.gs_umag                  f          ; [mag] uncertainty of GS_MAG
GS_V3_PA  guidestar.gs_v3_pa_science         f          ; [deg] position angle of V3 at the guide star
PCS_MODE  guidestar.gs_pcs_mode              s  @PCS_MODE ; pointing control mode
VISITEND  guidestar.visit_end_time           s          ; UTC end of the visit
GF_START  guidestar.gs_function_start_time   s  -       ; UTC start of the guider function
GF_END    guidestar.gs_function_end_time     s  -       ; UTC end of the guider function
FGS_APER  guidestar.fgs_aperture             s          ; guider aperture
GSIDL_X   guidestar.gs_ideal_x               f          ; [arcsec] guide star in the ideal frame, x
GSIDL_Y   guidestar.gs_ideal_y               f          ; [arcsec] guide star in the ideal frame, y
V2_REF    guidestar.fgs_v2_ref               f  -       ; [arcsec] guider reference point, V2
V3_REF    guidestar.fgs_v3_ref               f  -       ; [arcsec] guider reference point, V3
ROLL_REF  guidestar.fgs_roll_ref             f  -       ; [deg] guider roll, north over east
V3I_YANG  guidestar.fgs_v3yangle             f  -       ; [deg] guider: angle from V3 to ideal y
VPARITY   guidestar.fgs_vparity              i  -       ; guider: sense of ideal x
DATASTRT  guidestar.data_start               f  -       ; [d] start of the data, MJD
DATAEND   guidestar.data_end                 f  -       ; [d] end of the data, MJD
GSACSTAT  guidestar.gs_acq_exec_stat         s          ; how the acquisition ended
GSCENTX   guidestar.gs_ctd_x                 f          ; [arcsec] guide star centroid, x
GSCENTY   guidestar.gs_ctd_y                 f          ; [arcsec] guide star centroid, y
GS_EPOCH  guidestar.gs_epoch                 s          ; epoch of the guide star position
GS_MURA   guidestar.gs_mura                  f          ; [arcsec/yr] guide star motion in RA
GS_MUDEC  guidestar.gs_mudec                 f          ; [arcsec/yr] guide star motion in Dec
GS_PARA   guidestar.gs_para                  f          ; [arcsec] guide star parallax
"""

_ATTITUDE = """
# SCI Times
MJD-BEG   exposure.start_time_mjd            f  min     ; [d] UTC start, MJD
MJD-AVG   exposure.mid_time_mjd              f  mean    ; [d] UTC middle, MJD
MJD-END   exposure.end_time_mjd              f  max     ; [d] UTC end, MJD
TDB-BEG   exposure.start_time_tdb            f  min     ; [d] TDB start, MJD
TDB-MID   exposure.mid_time_tdb              f  mean    ; [d] TDB middle, MJD
TDB-END   exposure.end_time_tdb              f  max     ; [d] TDB end, MJD
XPOSURE   exposure.effective_exposure_time   f  sum     ; [s] effective exposure time
TELAPSE   exposure.elapsed_exposure_time     f  sum     ; [s] elapsed time

# SCI Ephemeris
REFFRAME  ephemeris.reference_frame          s          ; frame of the ephemeris
EPH_TYPE  ephemeris.type                     s          ; predicted or definitive
EPH_TIME  ephemeris.time                     f          ; [d] time of the vectors, MJD
JWST_X    ephemeris.spatial_x_bary           f          ; [km] barycentric position, x
JWST_Y    ephemeris.spatial_y_bary           f          ; [km] barycentric position, y
JWST_Z    ephemeris.spatial_z_bary           f          ; [km] barycentric position, z
OBSGEO-X  ephemeris.spatial_x_geo            f          ; [m] geocentric position, x
OBSGEO-Y  ephemeris.spatial_y_geo            f          ; [m] geocentric position, y
OBSGEO-Z  ephemeris.spatial_z_geo            f          ; [m] geocentric position, z
JWST_DX   ephemeris.velocity_x_bary          f          ; [km/s] barycentric velocity, x
JWST_DY   ephemeris.velocity_y_bary          f          ; [km/s] barycentric velocity, y
JWST_DZ   ephemeris.velocity_z_bary          f          ; [km/s] barycentric velocity, z
OBSGEODX  ephemeris.velocity_x_geo           f          ; [m/s] geocentric velocity, x
OBSGEODY  ephemeris.velocity_y_geo           f          ; [m/s] geocentric velocity, y
OBSGEODZ  ephemeris.velocity_z_geo           f          ; [m/s] geocentric velocity, z

# SCI Attitude
PA_APER   aperture.position_angle            f          ; [deg] position angle of the aperture
VA_SCALE  velocity_aberration.scale_factor   f          ; velocity aberration scale
RADESYS   coordinates.reference_frame        s  @RADESYS ; celestial frame
RA_V1     pointing.ra_v1                     f          ; [deg] V1 axis, RA
DEC_V1    pointing.dec_v1                    f          ; [deg] V1 axis, Dec
PA_V3     pointing.pa_v3                     f          ; [deg] position angle of V3

# SCI World coordinates
WCSAXES   wcsinfo.wcsaxes                    i          ; number of world axes
CRPIX1    wcsinfo.crpix1                     f          ; [pixel] reference pixel, axis 1
CRPIX2    wcsinfo.crpix2                     f          ; [pixel] reference pixel, axis 2
CRPIX3    wcsinfo.crpix3                     f          ; [pixel] reference pixel, axis 3
CRVAL1    wcsinfo.crval1                     f          ; world axis 1 at the reference pixel
CRVAL2    wcsinfo.crval2                     f          ; world axis 2 at the reference pixel
CRVAL3    wcsinfo.crval3                     f          ; world axis 3 at the reference pixel
CTYPE1    wcsinfo.ctype1                     s          ; kind of world axis 1
CTYPE2    wcsinfo.ctype2                     s          ; kind of world axis 2
CTYPE3    wcsinfo.ctype3                     s          ; kind of world axis 3
CUNIT1    wcsinfo.cunit1                     s          ; unit of world axis 1
CUNIT2    wcsinfo.cunit2                     s          ; unit of world axis 2
CUNIT3    wcsinfo.cunit3                     s          ; unit of world axis 3
CDELT1    wcsinfo.cdelt1                     f          ; step of axis 1
CDELT2    wcsinfo.cdelt2                     f          ; step of axis 2
CDELT3    wcsinfo.cdelt3                     f          ; step of axis 3
PC1_1     wcsinfo.pc1_1                      f          ; linear matrix
PC1_2     wcsinfo.pc1_2                      f          ; linear matrix
PC1_3     wcsinfo.pc1_3                      f          ; linear matrix
PC2_1     wcsinfo.pc2_1                      f          ; linear matrix
PC2_2     wcsinfo.pc2_2                      f          ; linear matrix
PC2_3     wcsinfo.pc2_3                      f          ; linear matrix
PC3_1     wcsinfo.pc3_1                      f          ; linear matrix
PC3_2     wcsinfo.pc3_2                      f          ; linear matrix
PC3_3     wcsinfo.pc3_3                      f          ; linear matrix
CD1_1     wcsinfo.cd1_1                      f          ; linear matrix with scale
CD1_2     wcsinfo.cd1_2                      f          ; linear matrix with scale
CD2_1     wcsinfo.cd2_1                      f          ; linear matrix with scale
CD2_2     wcsinfo.cd2_2                      f          ; linear matrix with scale
PS3_0     wcsinfo.ps3_0                      s  -       ; extension of the wavelength table
PS3_1     wcsinfo.ps3_1                      s  -       ; column of the wavelength table
S_REGION  wcsinfo.s_region                   s          ; footprint on the sky
WAVSTART  wcsinfo.waverange_start            f          ; [m] nominal shortest wavelength
WAVEND    wcsinfo.waverange_end              f          ; [m] nominal longest wavelength
DISPAXIS  wcsinfo.dispersion_direction       i          ; dispersion axis, 1 = x, 2 = y
SPORDER   wcsinfo.spectral_order             i          ; spectral order
V2_REF    wcsinfo.v2_ref                     f          ; [arcsec] reference point, V2
V3_REF    wcsinfo.v3_ref                     f          ; [arcsec] reference point, V3
VPARITY   wcsinfo.vparity                    i          ; sense of ideal x
V3I_YANG  wcsinfo.v3yangle                   f          ; [deg] angle from V3 to ideal y
RA_REF    wcsinfo.ra_ref                     f          ; [deg] reference point, RA
DEC_REF   wcsinfo.dec_ref                    f          ; [deg] reference point, Dec
ROLL_REF  wcsinfo.roll_ref                   f          ; [deg] roll at the reference point, N over E
VELOSYS   wcsinfo.velosys                    f  -       ; [m/s] barycentric velocity correction
SPECSYS   wcsinfo.specsys                    s  -       ; frame of the wavelengths
XREF_SCI  wcsinfo.siaf_xref_sci              f  -       ; [pixel] SIAF reference point, x, 1-based
YREF_SCI  wcsinfo.siaf_yref_sci              f  -       ; [pixel] SIAF reference point, y, 1-based
MT_RA     wcsinfo.mt_ra                      f  -       ; [deg] moving target at mid exposure, RA
MT_DEC    wcsinfo.mt_dec                     f  -       ; [deg] moving target at mid exposure, Dec
MT_AVRA   wcsinfo.mt_avra                    f  -       ; [deg] moving target, mean RA of all exposures
MT_AVDEC  wcsinfo.mt_avdec                   f  -       ; [deg] moving target, mean Dec of all exposures
"""

MAX_SIP_ORDER = 6
"""Highest total power of the SIP polynomials that have keywords."""


def _sip_rows() -> list[str]:
    """Return the rows of the four SIP polynomials: order, then coefficients of total power two and more."""
    names = {"A": "x distortion", "B": "y distortion", "AP": "inverse x", "BP": "inverse y"}
    rows = [f"{name}_ORDER wcsinfo.{name.lower()}_order i - ; SIP order, {doc}" for name, doc in names.items()]
    powers = [(i, j) for i in range(MAX_SIP_ORDER + 1) for j in range(MAX_SIP_ORDER + 1 - i) if i + j > 1]
    rows += [
        f"{name}_{i}_{j} wcsinfo.{name.lower()}_{i}_{j} f - ; SIP coefficient, {doc}"
        for name, doc in names.items()
        for i, j in powers
    ]
    return rows


TABLE = "\n".join([_DITHERS, _ATTITUDE, "# SCI Distortion (SIP)", *_sip_rows()])
